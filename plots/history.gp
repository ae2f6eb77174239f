# SPDX-License-Identifier: Apache-2.0
# Question: is it as fast as it was, and if not, since when?
# Data: history.dat, block 0: number of the run, operations per second; block 1: medians between
# change points, a line each. Settings: N (runs), LOW, HIGH, CHANGES, CHANGE[] (between which
# runs), TICKS, TICK[], AT[] (which runs are named below the axis, and how).
load 'common.gp'

set lmargin at screen 100.0/W
set rmargin at screen 1-110.0/W
set tmargin at screen 1-66.0/H
set bmargin at screen 84.0/H

# From zero where it moved much; else a fifth of the value high at least, so that noise looks small.
middle = (LOW + HIGH)/2
half = 0.75*(HIGH - LOW) > 0.1*HIGH ? 0.75*(HIGH - LOW) : 0.1*HIGH
set yrange [(LOW < 0.7*HIGH ? 0 : middle - half):middle + half]
set xrange [0.5:N + 0.5]
set xtics () rotate by -20 font 'DejaVu Sans,10'
do for [i=1:TICKS] { set xtics add (TICK[i] AT[i]) }
do for [i=1:CHANGES] {
	set arrow 100+i from CHANGE[i], graph 0 to CHANGE[i], graph 1 nohead lc rgb 0xd55e00 lw 1.4 \
		dt 2 back
}
set format y '%.2s %c/s'
set grid ytics lc rgb PALE lw 0.6 dt 1
set key off
plot 'history.dat' index 1 using 1:2 with lines lc rgb 0xaaaaaa lw 3, \
	'history.dat' index 0 using 1:2 with points pt 7 ps 0.6 lc rgb 0x0072b2
