// SPDX-License-Identifier: Apache-2.0
// Before the page is painted: the theme that was chosen, so that it does not flash.
try {
	const theme = localStorage.getItem("theme");
	if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch { /* no storage: the system's */ }
