# SPDX-License-Identifier: Apache-2.0
# Question: how many times as long as the bare primitive under it does each operation take?
# Data: floors.dat: row, ratio, smallest, largest, name, ratio as text. Settings: N, LOW, HIGH.
load 'common.gp'

set lmargin at screen 0.46
set rmargin at screen 1-80.0/W
set tmargin at screen 1-66.0/H
set bmargin at screen 84.0/H

# Room for the text left of the shortest bar.
low = (LOW < 1 ? LOW/1.2/((HIGH > 1 ? HIGH : 1)/LOW)**0.16 : 0.9)
high = (HIGH > 1 ? HIGH*1.15 : 1.2)
set logscale x
set xrange [low:high]
set xtics ()
do for [e=floor(log10(low)):ceil(log10(high))] {
	do for [m=1:9] {
		if (m == 1 || (fine(low, high) >= 3 && (m == 2 || m == 5)) || fine(low, high) == 9) {
			set xtics add (sprintf('%g×', m*10.0**e) m*10.0**e)
		}
	}
}
set xlabel 'ratio to the floor (1×: as fast as the primitive; logarithmic)' tc rgb MUTED offset 0,0.6
set yrange [0.3:N+0.7]
set grid xtics lc rgb PALE lw 0.6 dt 1
set border 1
set ytics scale 0
set style fill solid 1.0 noborder
set arrow 1 from 1, graph 0 to 1, graph 1 nohead lc rgb INK lw 1.2 front
set bars 0.6
unset key
plot 'floors.dat' using 2:1:(1):2:($1-0.32):($1+0.32):(column(2) > 1 ? 0x56a0d3 : 0x40b090):ytic(5) \
		with boxxyerror lc rgb variable, \
	'' using 2:1:3:4 with xerrorbars pt -1 lc rgb INK lw 1, \
	'' using (column(2) > 1 ? $4 : NaN):1:6 with labels left offset 0.8,0 \
		font 'DejaVu Sans,11' tc rgb INK, \
	'' using (column(2) > 1 ? NaN : $3):1:6 with labels right offset -0.8,0 \
		font 'DejaVu Sans,11' tc rgb INK
