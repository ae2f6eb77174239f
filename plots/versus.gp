# SPDX-License-Identifier: Apache-2.0
# Question (UNIT 'ratio'): how many times the throughput of the first translator has each, and is
# that more than chance? Question (others): how do their latencies, memory and host mappings compare?
# Data: versus.dat, one block a translator: row, value, low, high; rows.dat: row, name. Settings: N
# (translators), ROWS, LOW, HIGH, UNIT (ratio, ns, bytes, count), AXIS, LABEL[], COLOUR[].
load 'common.gp'

set lmargin at screen 0.28
set rmargin at screen 1-40.0/W
set tmargin at screen 1-66.0/H
set bmargin at screen 100.0/H

size(x) = x < 1024 ? sprintf('%g B', x) : x < 1048576 ? sprintf('%.3g KiB', x/1024) : \
	x < 1073741824 ? sprintf('%.3g MiB', x/1048576) : sprintf('%.3g GiB', x/1073741824)
show(x) = UNIT eq 'ratio' ? sprintf('%g×', x) : UNIT eq 'ns' ? ns(x) : UNIT eq 'bytes' ? size(x) : \
	sprintf('%g', x)

# A little room at both ends, and 1× in sight.
low = LOW/1.3
high = HIGH*1.3
if (UNIT eq 'ratio') { low = (low < 0.8 ? low : 0.8); high = (high > 1.25 ? high : 1.25) }
set logscale x
set xrange [low:high]
set xtics ()
if (UNIT eq 'bytes') {
	do for [e=0:50] {
		if (log(high/low)/log(2) < 9 || e%2 == 0) { set xtics add (size(2.0**e) 2.0**e) }
	}
} else {
	steps = fine(low, high)
	do for [e=floor(log10(low))-1:ceil(log10(high))+1] {
		do for [m=1:9] {
			shown = m == 1 || (steps >= 3 && (m == 2 || m == 5)) || \
				(steps == 9 && (m == 3 || m == 4 || m == 7))
			if (shown) { set xtics add (show(m*10.0**e) m*10.0**e) }
		}
	}
}
set xlabel AXIS tc rgb MUTED offset 0,0.4
set yrange [0.4:ROWS+0.6]
set ytics scale 0 font 'DejaVu Sans,11'
set border 1
set grid xtics lc rgb PALE lw 0.6 dt 1
# Every other workload stands on grey.
do for [r=1:ROWS:2] {
	set object 100+r rectangle from graph 0, first r-0.5 to graph 1, first r+0.5 behind \
		fc rgb 0xf4f4f4 fs solid noborder
}
if (UNIT eq 'ratio') { set arrow 1 from 1, graph 0 to 1, graph 1 nohead lc rgb INK lw 1.2 back }
set bars 0.5
# Above each other within a row, the first translator on top.
place(r, i) = r + (N == 1 ? 0 : 0.6*(0.5 - (i-1.0)/(N-1)))
set key at screen 0.28, 34.0/H left center horizontal Left reverse samplen 2 tc rgb INK maxrows 2
plot 'rows.dat' using (low):1:ytic(2) with points pt -1 notitle, \
	for [i=1:N] 'versus.dat' index i-1 using 2:(place($1, i)):3:4 with xerrorbars pt 7 ps 0.7 \
		lc rgb COLOUR[i] lw 1.6 title LABEL[i]
