// SPDX-License-Identifier: Apache-2.0
// An answer as a picture: a line over a time or a number that rises, else bars. Nothing
// is drawn that the columns' types do not say.
import { svg, el, note, isNumber, isTime, show } from "./dom.js";

const BARS_MAX = 30, POINTS_MAX = 2000, SERIES_MAX = 3;
const W = 640, H = 280, LEFT = 56, RIGHT = 12, TOP = 12, BOTTOM = 44;

// {kind: "line" | "bars", x, series: [column indices]}, or a sentence why there is none.
export function chartOf(columns, rows) {
	const numbers = columns.flatMap((column, i) => isNumber(column) ? [i] : []);
	if (rows.length === 0) return "No rows, no chart.";
	if (numbers.length === 0) return "A chart needs a column of numbers.";
	const time = columns.findIndex(isTime);
	if (time >= 0) return { kind: "line", x: time, series: numbers.slice(0, SERIES_MAX) };
	const text = columns.findIndex(column => !isNumber(column));
	if (text >= 0) return { kind: "bars", x: text, series: numbers.slice(0, SERIES_MAX) };
	const rises = numbers.length > 1 && rows.length > 2 &&
		rows.every((row, i) => i === 0 || Number(row[numbers[0]]) > Number(rows[i - 1][numbers[0]]));
	if (rises) return { kind: "line", x: numbers[0], series: numbers.slice(1, 1 + SERIES_MAX) };
	return { kind: "bars", x: -1, series: numbers.slice(0, SERIES_MAX) };
}

// Round steps from low to high, about five.
export function ticks(low, high) {
	if (!(high > low)) high = low + 1;
	const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 2.5, 5, 10].find(m => m * power >= rough) * power;
	const out = [];
	for (let at = Math.floor(low / step) * step; at < high + step; at += step) out.push(Number(at.toPrecision(12)));
	return out;
}

const short = n => Math.abs(n) >= 1e4
	? new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n)
	: String(Number(n.toPrecision(6)));

function frame(rows, series, title) {
	const values = rows.flatMap(row => series.map(s => Number(row[s]))).filter(Number.isFinite);
	const marks = ticks(Math.min(0, ...values), Math.max(0, ...values));
	const low = marks[0], high = marks.at(-1);
	const y = value => H - BOTTOM - (value - low) / (high - low) * (H - TOP - BOTTOM);
	const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": title, class: "chart" });
	for (const mark of marks) {
		root.append(svg("line", { x1: LEFT, x2: W - RIGHT, y1: y(mark), y2: y(mark), class: mark === 0 ? "axis" : "grid" }),
			svg("text", { x: LEFT - 8, y: y(mark) + 4, class: "tick end" }, short(mark)));
	}
	return { root, y };
}

function bars(columns, rows, plan, title) {
	const { root, y } = frame(rows, plan.series, title);
	const slot = (W - LEFT - RIGHT) / rows.length;
	const width = Math.min(56, slot * 0.72) / plan.series.length;
	rows.forEach((row, i) => {
		const middle = LEFT + slot * (i + 0.5), label = plan.x < 0 ? String(i + 1) : show(row[plan.x]);
		plan.series.forEach((s, k) => {
			const value = Number(row[s]);
			if (row[s] === null || value === 0 || !Number.isFinite(value)) return;
			const left = middle + (k - plan.series.length / 2) * width;
			root.append(svg("rect", { x: left, width: Math.max(1, width - 1.5), y: Math.min(y(value), y(0)),
				height: Math.max(1, Math.abs(y(0) - y(value))), rx: 2, class: `series s${k}` },
			svg("title", {}, `${label}: ${columns[s].name} ${show(row[s])}`)));
		});
		const every = Math.ceil(rows.length * 12 / (W / 7));
		const room = Math.max(3, Math.floor(slot * every / 6.6));
		if (i % every === 0)
			root.append(svg("text", { x: middle, y: H - BOTTOM + 18, class: "tick middle" },
				label.length > room ? `${label.slice(0, room - 1)}…` : label));
	});
	return root;
}

function line(columns, rows, plan, title) {
	const time = isTime(columns[plan.x]);
	const place = row => time ? Date.parse(String(row[plan.x]).replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00")) : Number(row[plan.x]);
	const points = rows.map(row => [place(row), row]).filter(([x]) => Number.isFinite(x)).sort((a, b) => a[0] - b[0]);
	if (points.length < 2) return bars(columns, rows, plan, title);
	const { root, y } = frame(rows, plan.series, title);
	const first = points[0][0], last = points.at(-1)[0];
	const x = at => LEFT + (at - first) / (last - first || 1) * (W - LEFT - RIGHT);
	plan.series.forEach((s, k) => {
		let path = "";
		for (const [at, row] of points) {
			if (row[s] !== null) path += `${path ? "L" : "M"}${x(at).toFixed(1)} ${y(Number(row[s])).toFixed(1)}`;
		}
		root.append(svg("path", { d: path, class: `stroke s${k}` }));
	});
	for (const [i, anchor] of [[0, "start"], [points.length >> 1, "middle"], [points.length - 1, "end"]])
		root.append(svg("text", { x: x(points[i][0]), y: H - BOTTOM + 18, class: `tick ${anchor}` }, show(points[i][1][plan.x]).slice(0, 19)));
	return root;
}

export function chart(columns, rows) {
	const plan = chartOf(columns, rows);
	if (typeof plan === "string") return note(plan);
	const most = plan.kind === "bars" ? BARS_MAX : POINTS_MAX, shown = rows.slice(0, most);
	const names = plan.series.map(s => columns[s].name), over = plan.x < 0 ? "row" : columns[plan.x].name;
	const title = `${plan.kind === "bars" ? "Bars" : "Line"} of ${names.join(", ")} by ${over}, ${shown.length} of ${rows.length} rows`;
	const legend = el("ul", { class: "legend" }, names.map((name, k) => el("li", {}, el("i", { class: `s${k}` }), name)));
	return el("figure", {}, (plan.kind === "bars" ? bars : line)(columns, shown, plan, title),
		el("figcaption", {}, legend, rows.length > most ? note(`The first ${most} of ${rows.length} rows.`) : null));
}
