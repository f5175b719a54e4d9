# SPDX-License-Identifier: Apache-2.0
"""http_aiohttp.py URL COUNT CONNECTIONS BODY: the same signed posts by aiohttp and uvloop.
Prints "seconds cpu_seconds"."""
import asyncio
import base64
import hashlib
import hmac
import resource
import sys
import time

import aiohttp
import uvloop

URL, COUNT, CONNECTIONS, BODY = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
KEY = bytes(range(32))


def headers(number):
    name, now = f"msg_{number:022}", int(time.time())
    signature = base64.b64encode(hmac.digest(KEY, f"{name}.{now}.".encode() + BODY, hashlib.sha256)).decode()
    return {"content-type": "application/json", "webhook-id": name, "idempotency-key": name,
            "webhook-timestamp": str(now), "webhook-signature": "v1," + signature}


async def lane(session, numbers):
    for number in numbers:
        async with session.post(URL, data=BODY, headers=headers(number)) as response:
            await response.read()
            assert response.status == 200


async def main():
    numbers = iter(range(COUNT))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        await asyncio.gather(*(lane(session, numbers) for _ in range(CONNECTIONS)))


began = time.monotonic()
uvloop.run(main())
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"{time.monotonic() - began:.6f} {used.ru_utime + used.ru_stime:.3f}")
