# SPDX-License-Identifier: Apache-2.0
# Question (PAIRS): what does it cost two PUs to meet, and is the step at a core, a cache or a
# package? Question (not PAIRS): what does memory of another node cost each PU at its first touch?
# Data: cells1.dat (p50), cells2.dat (p99): column, row, ns, text colour, text; edges.dat: column,
# 1 (L3) or 2 (package); packages.dat: middle column, name. Settings: PANELS (1: no p99), PAIRS, NX, NY, VALUES (print
# them in the cells), IMAGE (too many cells for boxes), LOW[2], HIGH[2] (ns), and the tics.
load 'common.gp'

set border 15 lc rgb 0x999999 lw 0.8
set xrange [-0.5:NX-0.5]
# Rows downwards, so that the diagonal runs from the top left.
set yrange [NY-0.5:-0.5]
set tics scale 0.4 font 'DejaVu Sans,9'
set logscale cb
set xlabel 'PU' tc rgb MUTED offset 0,0.6
unset key
# Neither end of the palette: seen on light and on dark cells.
EDGE = 0xe07b00
set object 1 rectangle from graph 0,0 to graph 1,1 behind fc rgb 0xe6e6e6 fs solid noborder
# To three digits.
three(x) = floor(x/10.0**(floor(log10(x))-2) + 0.5) * 10.0**(floor(log10(x))-2)
side = H - 150.0

set multiplot
do for [panel=1:PANELS] {
	if (panel == 2) { unset label 9001; unset label 9002; unset label 9003; unset label 9004 }
	if (PAIRS) {
		left = (panel == 1 ? 50.0 : W/2.0 + 50)
		set lmargin at screen left/W
		set rmargin at screen (left+side-40)/W
		set tmargin at screen 1-100.0/H
		set bmargin at screen 76.0/H
		set ylabel 'PU' tc rgb MUTED offset 1.2,0
		bar_left = left + side - 30
		set colorbox user vertical origin screen bar_left/W, 76.0/H size screen 12.0/W, (H-176.0)/H
	} else {
		tall = (H-70.0)/2
		top = 62.0 + (panel-1)*tall
		set lmargin at screen 70.0/W
		set rmargin at screen 1-110.0/W
		set tmargin at screen 1-(top+46.0)/H
		set bmargin at screen 1-(top+tall-38.0)/H
		set colorbox user vertical origin screen 1-98.0/W, 1-(top+tall-38.0)/H \
			size screen 12.0/W, (tall-84.0)/H
	}
	set cbrange [LOW[panel]:HIGH[panel]]
	set cbtics ()
	bar_low = LOW[panel]
	bar_high = HIGH[panel]
	do for [i=0:4] {
		at = bar_low * (bar_high/bar_low)**(i/4.0)
		set cbtics add (ns(three(at)) at)
	}
	set label 1 (panel == 1 ? 'p50' : 'p99') at graph 0, graph 1 offset 0,1.8 left \
		font 'DejaVu Sans,13' tc rgb INK
	data = sprintf('cells%d.dat', panel)
	# An image is small however many cells; boxes are sharp, and work for a single row.
	plot (IMAGE ? data : '/dev/null') using 1:2:3 with image, \
		(IMAGE ? '/dev/null' : data) using ($3 > 0 ? $1 : NaN):2:($1-0.5):($1+0.5):($2-0.5):($2+0.5):3 \
			with boxxyerror lc palette z fs solid 1 noborder, \
		data using (VALUES ? $1 : NaN):2:5:4 with labels center font 'DejaVu Sans,11' \
			tc rgb variable, \
		for [e=1:2] 'edges.dat' using ($2 == e ? $1-0.5 : NaN):(-0.5):(0):(NY) with vectors \
			nohead lc rgb EDGE lw (e == 2 ? 1.6 : 0.6), \
		for [e=1:2] 'edges.dat' using (-0.5):(PAIRS && $2 == e ? $1-0.5 : NaN):(NX):(0) \
			with vectors nohead lc rgb EDGE lw (e == 2 ? 1.6 : 0.6), \
		'packages.dat' using 1:(-0.5):2 with labels center offset 0,0.7 \
			font 'DejaVu Sans,9' tc rgb MUTED
}
unset multiplot
