// SPDX-License-Identifier: Apache-2.0
// http2_server.mjs CERT KEY [CA] -- answers every POST over TLS with 204, by HTTP/2 or 1.1; with
// CA it asks clients for a certificate of that authority. Prints its port, then a JSON line a
// request: {"version","id","client","sessions"}.
import fs from "node:fs";
import http2 from "node:http2";

const [cert, key, ca] = process.argv.slice(2).map((path) => fs.readFileSync(path));
const server = http2.createSecureServer({
	cert, key, ca, requestCert: ca !== undefined, rejectUnauthorized: ca !== undefined, allowHTTP1: true,
});
let sessions = 0;
server.on("session", () => sessions++);
server.on("request", (request, response) => {
	const socket = request.stream?.session?.socket ?? request.socket;
	request.resume().on("end", () => {
		console.log(JSON.stringify({
			version: request.httpVersion, id: request.headers["webhook-id"],
			client: socket.getPeerCertificate?.()?.subject?.CN ?? null, sessions,
		}));
		response.writeHead(204).end();
	});
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
