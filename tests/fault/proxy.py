# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that knows the frames of Kafka's protocol and does the damage it is told to.

It listens where the broker's PROXIED listener says that the broker is, so that clients that start
there stay there. The event loop runs in a thread of its own; a test calls the methods."""
import asyncio
import threading

END_TXN = 26


class Proxy:
    def __init__(self, listen, target):
        self.listen, self.target = listen, target
        self.counts = {"connections": 0, "cut": 0, "held": 0, "late": 0, "muted": 0}
        self._pairs = set()
        self._stall_until = self._down_until = 0.0
        self._hold = self._mute = 0
        self._hold_seconds = 0.0
        self._loop = asyncio.new_event_loop()
        self._server = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    # --- what a test says ---

    def start(self):
        self._thread.start()
        self._call(self._listen())
        return self

    def close(self):
        async def leave():
            self._server.close()
            self._cut()
            while self._pairs:
                await asyncio.sleep(0.01)
        self._call(leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self):
        """Resets every connection."""
        self._soon(self._cut)

    def down(self, seconds):
        """Resets every connection and refuses new ones for a while."""
        def act():
            self._down_until = self._loop.time() + seconds
            self._cut()
        self._soon(act)

    def stall(self, seconds):
        """Forwards nothing for a while; connections stay open."""
        def act():
            self._stall_until = self._loop.time() + seconds
        self._soon(act)

    def hold_end(self, seconds, count=1):
        """The next EndTxn requests are kept, their client is cut, and they arrive late."""
        def act():
            self._hold, self._hold_seconds = count, seconds
        self._soon(act)

    def mute_end(self, count=1):
        """The next EndTxn requests arrive; their replies do not."""
        def act():
            self._mute = count
        self._soon(act)

    def calm(self):
        def act():
            self._stall_until = self._down_until = 0.0
            self._hold = self._mute = 0
        self._soon(act)

    # --- inside ---

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _soon(self, act):
        async def run():
            act()
        self._call(run())

    async def _listen(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.listen, limit=1 << 24)

    def _cut(self):
        for pair in list(self._pairs):
            self.counts["cut"] += 1
            pair.abort()

    async def _serve(self, client_in, client_out):
        if self._loop.time() < self._down_until:
            client_out.transport.abort()
            return
        try:
            broker_in, broker_out = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            client_out.transport.abort()
            return
        self.counts["connections"] += 1
        pair = _Pair(client_in, client_out, broker_in, broker_out)
        self._pairs.add(pair)
        tasks = [asyncio.ensure_future(self._up(pair)), asyncio.ensure_future(self._down(pair))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if pair.late:
            await asyncio.wait([pair.late])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pair.abort()
        self._pairs.discard(pair)

    async def _gate(self):
        while self._loop.time() < self._stall_until:
            await asyncio.sleep(0.01)

    async def _up(self, pair):
        """Client to broker, request by request."""
        while True:
            head = await pair.client_in.readexactly(4)
            body = await pair.client_in.readexactly(int.from_bytes(head, "big"))
            await self._gate()
            if int.from_bytes(body[:2], "big") == END_TXN:
                if self._hold > 0:
                    self._hold -= 1
                    self.counts["held"] += 1
                    pair.mute = True
                    pair.late = asyncio.ensure_future(self._later(pair, head + body))
                    pair.client_out.transport.abort()
                    return
                if self._mute > 0:
                    self._mute -= 1
                    self.counts["muted"] += 1
                    pair.mute = True
                    pair.broker_out.write(head + body)
                    await pair.broker_out.drain()
                    await asyncio.sleep(0.3)
                    return
            pair.broker_out.write(head + body)
            await pair.broker_out.drain()

    async def _down(self, pair):
        """Broker to client, bytes."""
        while True:
            data = await pair.broker_in.read(65536)
            if not data:
                return
            await self._gate()
            if not pair.mute:
                pair.client_out.write(data)
                await pair.client_out.drain()

    async def _later(self, pair, frame):
        await asyncio.sleep(self._hold_seconds)
        try:
            pair.broker_out.write(frame)
            await pair.broker_out.drain()
            self.counts["late"] += 1
            await asyncio.sleep(0.5)
        except OSError:
            pass


class _Pair:
    def __init__(self, client_in, client_out, broker_in, broker_out):
        self.client_in, self.client_out = client_in, client_out
        self.broker_in, self.broker_out = broker_in, broker_out
        self.mute, self.late = False, None

    def abort(self):
        self.client_out.transport.abort()
        if not self.late or self.late.done():
            self.broker_out.transport.abort()
