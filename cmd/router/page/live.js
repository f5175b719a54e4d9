// SPDX-License-Identifier: Apache-2.0
// What goes on without being asked: the engines, the history, the leaderboard. Polled
// while the page is looked at.
import { $, el, note, milliseconds, money, plural } from "./dom.js";
import * as api from "./api.js";

const health = engine => engine.down ? ["bad", "down"] : engine.breaker === "open" ? ["warn", "breaker open"] : ["good", "healthy"];

const fact = (name, value) => el("div", { class: "fact" }, el("dt", {}, name), el("dd", {}, value));

function engineCard(engine) {
	const [state, words] = health(engine);
	return el("li", { class: "card engine", "data-kind": engine.kind },
		el("h3", {}, el("span", { class: "badge", "data-kind": engine.kind }, engine.name), el("span", { class: `health ${state}` }, words)),
		el("dl", {}, fact("behind", engine.lag_ms === null || engine.lag_ms === undefined ? "–" : milliseconds(engine.lag_ms)),
			fact("typical", engine.latency_ms ? milliseconds(engine.latency_ms) : "–"), fact("cost", money(engine.cost)),
			fact("asked", (engine.asked ?? 0).toLocaleString("en")), fact("failed", (engine.failed ?? 0).toLocaleString("en")),
			fact("under way", String(engine.under_way ?? 0))),
		engine.trouble ? el("p", { class: "note trouble" }, engine.trouble) : null);
}

const total = (name, value, words) => el("div", { class: "total" }, el("span", {}, name), el("strong", {}, value), words ? el("small", {}, words) : null);

export function drawEngines(state) {
	$("engine-list").replaceChildren(...state.engines.map(engineCard));
	const saved = state.saved ?? 0, dearest = state.dearest ?? 0;
	$("totals").replaceChildren(total("spent", money(state.cost)),
		total("saved", money(saved), dearest ? `${Math.round(100 * saved / dearest)} % of what the dearest engine would have taken` : ""),
		total("healthy", `${state.engines.filter(engine => !engine.down).length} of ${state.engines.length}`));
}

// The same statement answered the same way is one line with its count; the newest stands for all.
function folded(entries) {
	const seen = new Map();
	for (const entry of entries) {
		const same = `${entry.sql}\0${entry.engine}\0${entry.reason}\0${entry.outcome}`;
		if (seen.has(same)) seen.get(same).times++;
		else seen.set(same, { entry, times: 1 });
	}
	return [...seen.values()];
}

function pastItem({ entry, times }, kinds, again) {
	const rows = entry.row_count === null ? entry.outcome : plural(entry.row_count, "row");
	return el("li", {},
		el("button", { type: "button", class: "again", title: "Put it into the editor", onclick: () => again(entry.sql) }, el("code", {}, entry.sql)),
		el("p", { class: "note" }, entry.engine ? el("span", { class: "badge", "data-kind": kinds.get(entry.engine) ?? entry.engine }, entry.engine) : null,
			` ${entry.reason ?? ""} · ${milliseconds(entry.elapsed_ms)} · ${rows}${times > 1 ? ` · ${times} times` : ""}`,
			el("time", { datetime: entry.at }, new Date(entry.at).toLocaleTimeString("en-GB"))));
}

export function drawHistory(entries, kinds, again) {
	if (entries.length === 0) return $("history-list").replaceChildren(note("Nothing yet."));
	$("history-list").replaceChildren(el("ul", { class: "past" }, folded(entries).map(past => pastItem(past, kinds, again))));
}

export function drawBoard(members) {
	const most = Math.max(...members.map(member => Number(member.score)), 0);
	$("board-list").replaceChildren(...members.map(member => {
		const bar = el("span", { class: "bar-fill" });
		bar.style.width = `${most > 0 ? Math.max(0, 100 * Number(member.score) / most) : 0}%`;
		return el("li", {}, el("span", { class: "member" }, member.member), el("span", { class: "num" }, String(member.score)),
			el("span", { class: "bar-track", "aria-hidden": "true" }, bar));
	}));
	$("board-note").textContent = members.length ? "" : "The board is empty.";
}

// Calls work() now and every `ms` while the page is seen; never twice at a time.
export function every(ms, work) {
	let busy = false;
	const turn = async () => {
		if (busy || document.hidden) return;
		busy = true;
		try { await work(); } finally { busy = false; }
	};
	setInterval(turn, ms);
	document.addEventListener("visibilitychange", turn);
	turn();
	return turn;
}

export { api };
