// SPDX-License-Identifier: Apache-2.0
// Tables of the report: a click (or Enter) on a heading sorts, the search field filters by name.
'use strict';
for (const table of document.querySelectorAll('table.sortable')) {
	const body = table.tBodies[0];
	const heads = [...table.tHead.rows[0].cells];
	const key = (row, i) => {
		const cell = row.cells[i];
		return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
	};
	const missing = (row, i) => row.cells[i].className === 'none';
	const sort = (i) => {
		const up = heads[i].getAttribute('aria-sort') !== 'ascending';
		heads.forEach((head) => head.removeAttribute('aria-sort'));
		heads[i].setAttribute('aria-sort', up ? 'ascending' : 'descending');
		// What is missing stands last, whichever the direction.
		const rows = [...body.rows].sort((a, b) => {
			if (missing(a, i) || missing(b, i)) return missing(a, i) - missing(b, i);
			const x = key(a, i), y = key(b, i);
			const order = typeof x === 'number' ? x - y : x.localeCompare(y, 'en', { numeric: true });
			return up ? order : -order;
		});
		body.append(...rows);
	};
	heads.forEach((head, i) => {
		head.addEventListener('click', () => sort(i));
		head.addEventListener('keydown', (event) => { if (event.key === 'Enter') sort(i); });
	});
	document.getElementById('filter').addEventListener('input', (event) => {
		const words = event.target.value.toLowerCase().split(/\s+/);
		for (const row of body.rows) {
			const name = row.cells[0].textContent.toLowerCase();
			row.hidden = !words.every((word) => name.includes(word));
		}
	});
}
