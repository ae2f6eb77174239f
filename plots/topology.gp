# SPDX-License-Identifier: Apache-2.0
# Question: which part of the machine is slow: one PU, one core, one cache, one package?
# Data, in pixels from the top left: boxes.dat: left, top, right, bottom, shade (0 to 1; -1: none),
# level (1 package, 2 node, 3 L3, 4 core, 5 PU, 9 colour scale); small.dat, large.dat: x, y, colour,
# alignment (0 left, 1 centre, 2 right), text. Settings: SMALL (size of the small text).
load 'common.gp'

set lmargin at screen 0
set rmargin at screen 1
set tmargin at screen 1
set bmargin at screen 0
unset border
unset tics
unset key
unset colorbox
set cbrange [0:1]
set xrange [0:W]
set yrange [H:0]
set style fill solid 1.0 border

# The tint of a frame by its level, from the package inwards.
tint(level) = level == 1 ? 0xeef0f3 : level == 2 ? 0xf7f8fa : level == 3 ? 0xe9edf2 : 0xffffff
is(level, wanted, value) = level == wanted ? value : NaN

SMALL_FONT = sprintf('DejaVu Sans,%d', SMALL)
plot for [l=1:4] 'boxes.dat' using (is($6,l,$1)):2:1:3:2:4:(tint(l)) with boxxyerror \
		fs solid 1 border rgb 0xb4bac4 lc rgb variable, \
	'boxes.dat' using (is($6,5,$5 < 0 ? $1 : NaN)):2:1:3:2:4 with boxxyerror \
		fs solid 1 border rgb 0xc8c8c8 lc rgb 0xe6e6e6, \
	'boxes.dat' using (is($6,5,$5 >= 0 ? $1 : NaN)):2:1:3:2:4:5 with boxxyerror \
		fs solid 1 border rgb 0x9aa3ad lc palette z, \
	'boxes.dat' using (is($6,9,$1)):2:1:3:2:4:5 with boxxyerror \
		fs solid 1 noborder lc palette z, \
	'small.dat' using (is($4,0,$1)):2:5:3 with labels left font SMALL_FONT tc rgb variable, \
	'small.dat' using (is($4,1,$1)):2:5:3 with labels center font SMALL_FONT \
		tc rgb variable, \
	'small.dat' using (is($4,2,$1)):2:5:3 with labels right font SMALL_FONT \
		tc rgb variable, \
	'large.dat' using (is($4,0,$1)):2:5:3 with labels left font 'DejaVu Sans,13' \
		tc rgb variable, \
	'large.dat' using (is($4,1,$1)):2:5:3 with labels center font 'DejaVu Sans,13' \
		tc rgb variable
