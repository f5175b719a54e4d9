# SPDX-License-Identifier: Apache-2.0
"""The attacks of test_router_attacks.py on a real Trino beside Postgres: what acts, masks and filters,
literals, names, sizes."""
import json
import os
import subprocess

import pytest

from route_world import ROUTE
from router_world import COLUMNS, admin, trino
from test_router_attacks import (  # noqa: F401
    pytest_generate_tests, router, test_a_list_of_ten_thousand_is_answered_and_right, test_a_literal_stays_one, test_a_parameter_stays_one,
    test_a_reader_writes_nothing,
    test_a_shared_plan_keeps_each_to_what_is_theirs, test_answers_over_masks_are_those_of_the_masked_table,
    test_errors_and_side_doors_do_not_quote_hidden_values, test_names_that_mean_something_elsewhere,
    test_nothing_shows_what_is_masked_or_filtered, test_what_acts_or_reaches_out_is_refused)

ENGINES = STORES = ("postgres", "trino")
pytestmark = pytest.mark.usefixtures("trino")


@pytest.fixture
def behind(tmp_path):
    """customers in a Postgres that Trino asks, and what an auditor's question becomes for Trino."""
    with admin("app") as pg:
        pg.execute("DROP SCHEMA IF EXISTS sluice_attacks CASCADE; CREATE SCHEMA sluice_attacks; CREATE TABLE sluice_attacks.customers AS "
                   "SELECT i::bigint AS id, 'customer ' || i AS name, 'SSN-' || 100000 + i AS ssn, (ARRAY['eu', 'us', 'ap'])[1 + i % 3] AS region "
                   "FROM generate_series(1, 60) i")
    registry = tmp_path / "router.yaml"
    registry.write_text(json.dumps({
        "engines": {"trino": {"kind": "trino", "url": os.environ["SLUICE_TRINO"]}}, "roles": {"auditor": {}},
        "tables": {"customers": {"columns": COLUMNS["customers"], "engines": {"trino": "pg.sluice_attacks.customers"}, "policies": {"auditor": {"filter": "(id + 2 + 2) % 3 = 0"}}}}}))

    def emitted(sql):
        done = subprocess.run([ROUTE, registry, "auditor"], input=sql + "\n", capture_output=True, text=True, check=True, timeout=60)
        return json.loads(done.stdout)["sql"]["trino"]
    yield emitted
    with admin("app") as pg:
        pg.execute("DROP SCHEMA sluice_attacks CASCADE")


def test_no_error_tells_of_a_row_that_postgres_hides_from_trino(behind):
    """Trino hands conditions on to Postgres, which takes the cheaper ones first: not below the filter's LIMIT."""
    sql, fence = behind("SELECT count(*) FROM customers WHERE id + 9223372036854775748 <> 7"), " LIMIT 9223372036854775807"  # too large for the 60th alone
    assert fence in sql and trino(sql) == [[20]]
    with pytest.raises(AssertionError, match="out of range"):
        trino(sql.replace(fence, ""))
