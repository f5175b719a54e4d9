// SPDX-License-Identifier: Apache-2.0
// An answer as a table, and as a file to keep.
import { el, note, isNumber, show } from "./dom.js";

const SHOWN_MAX = 1000;

export function table(columns, rows, label, most = SHOWN_MAX) {
	if (columns.length === 0) return note("Done; it has no rows to show.");
	const cell = (value, i) => value === null
		? el("td", { class: isNumber(columns[i]) ? "null num" : "null" }, "null")
		: el("td", { class: isNumber(columns[i]) ? "num" : "" }, show(value));
	const body = rows.slice(0, most).map(row => el("tr", {}, row.map(cell)));
	return el("div", {}, el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": label },
		el("table", { class: "rows" }, el("thead", {}, el("tr", {}, columns.map(column =>
			el("th", { scope: "col", class: isNumber(column) ? "num" : "" }, column.name, el("small", {}, column.type))))),
		el("tbody", {}, body))),
	rows.length > most ? note(`The first ${most.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows are shown.`) : null);
}

const quoted = value => {
	if (value === null) return "";
	const text = show(value);
	return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export function csv(columns, rows) {
	return [columns.map(column => column.name), ...rows].map(row => row.map(quoted).join(",") + "\r\n").join("");
}
