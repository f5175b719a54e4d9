// SPDX-License-Identifier: Apache-2.0
// The router's API as the page uses it. The key lives in this tab's session storage and
// goes nowhere but into the header.

const KEY = "api-key";

export const key = {
	get: () => sessionStorage.getItem(KEY) ?? "",
	set: value => value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY),
};

export class Refused extends Error {
	constructor(error) {
		super(error.message);
		this.code = error.code;
		this.status = error.status;
		this.position = error.position ?? null;
		this.sqlstate = error.sqlstate ?? null;
	}
}

// Numbers that JavaScript cannot hold stay the texts that they came as.
function exact(_, value, context) {
	return typeof value === "number" && context?.source !== undefined && String(value) !== context.source ? context.source : value;
}

async function call(method, path, body, signal, reviver) {
	const headers = { accept: "application/json" };
	if (key.get()) headers.authorization = `Bearer ${key.get()}`;
	if (body) headers["content-type"] = "application/json";
	let response;
	try {
		response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal, cache: "no-store" });
	} catch (cause) {
		if (cause.name === "AbortError") throw new Refused({ code: "STOPPED", message: "stopped", status: 0 });
		throw new Refused({ code: "UNREACHABLE", message: "the router does not answer", status: 0 });
	}
	const text = await response.text();
	let answer;
	try {
		answer = text ? JSON.parse(text, reviver) : null;
	} catch {
		throw new Refused({ code: "BROKEN", message: "the answer broke off", status: response.status });
	}
	if (!response.ok || answer?.error)
		throw new Refused({ code: `HTTP ${response.status}`, message: response.statusText, status: response.status, ...answer?.error });
	return answer;
}

export async function query(request, signal) {
	const answer = await call("POST", "/v1/query", request, signal, exact);
	return { ...answer, elapsed_ms: Number(answer.elapsed_ms) };
}
export const explain = request => call("POST", "/v1/explain", request);
export const tables = () => call("GET", "/v1/tables");
export const engines = () => call("GET", "/v1/engines");
export const history = () => call("GET", "/v1/history?limit=500");
export const leaderboard = (board, top) => call("GET", `/v1/leaderboard/${encodeURIComponent(board)}?top=${top}`);
