# SPDX-License-Identifier: Apache-2.0
"""rev.py FILE -- writes the Parquet table `rev` that the router reads through DuckDB: a thousand
days' revenue by region, always the same."""
import os
import sys

import duckdb

ROWS = """SELECT i::BIGINT AS id, ['north', 'south', 'east', 'west', 'überall'][i % 5 + 1] AS region,
    DATE '2024-01-01' + CAST(i / 5 AS INTEGER) AS day, CASE WHEN i % 10 <> 7 THEN CAST(i * 7919 % 100003 AS INTEGER) END AS orders,
    CAST((i * 104729 % 1000003) / 100.0 AS DECIMAL(12, 2)) AS amount FROM range(1000) t(i)"""

temporary = sys.argv[1] + ".new"
with duckdb.connect() as db:
    db.execute(f"COPY ({ROWS}) TO '{temporary.replace(chr(39), chr(39) * 2)}' (FORMAT parquet)")
os.replace(temporary, sys.argv[1])
