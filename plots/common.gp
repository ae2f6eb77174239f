# SPDX-License-Identifier: Apache-2.0
# What all figures share: size, fonts, colours, title, stamp, and how nanoseconds are written.
#
# Every script here is run by faultline as `gnuplot -d settings.gp SCRIPT` in a directory that holds
# the scripts, the data and settings.gp (W, H in pixels; TITLE, SUBTITLE, STAMP, SYNTHETIC and the
# script's own values). The result is out.svg.
set encoding utf8
set terminal svg size W,H noenhanced font 'DejaVu Sans,12' background '#ffffff' linewidth 1.2
set output 'out.svg'

INK = 0x222222
MUTED = 0x666666
PALE = 0xd8d8d8

# From light (fast) to dark (slow): keeps its order in grey and for colour-blind readers.
set palette defined (0 '#ffffe0', 1 '#e3f4b8', 2 '#a8ddb5', 3 '#5cc1bf', 4 '#2b93c0', 5 '#2560a8', \
	6 '#26358c', 7 '#160f4d')

set label 9001 TITLE at screen 14.0/W, 1-22.0/H left font 'DejaVu Sans,16' tc rgb INK
set label 9002 SUBTITLE at screen 14.0/W, 1-43.0/H left font 'DejaVu Sans,11' tc rgb MUTED
set label 9003 STAMP at screen 1-14.0/W, 12.0/H right font 'DejaVu Sans,9' tc rgb MUTED
if (SYNTHETIC) {
	set label 9004 'SYNTHETIC: not measured on this machine' at screen 1-14.0/W, 1-22.0/H right \
		font 'DejaVu Sans,12' tc rgb 0xb02000
}
set border 3 lc rgb 0x999999 lw 0.8
set tics nomirror out tc rgb INK

ns(x) = x < 1e3 ? sprintf('%g ns', x) : x < 1e6 ? sprintf('%g µs', x/1e3) : \
	x < 1e9 ? sprintf('%g ms', x/1e6) : sprintf('%g s', x/1e9)
rate(x) = x < 1e3 ? sprintf('%g /s', x) : x < 1e6 ? sprintf('%g k/s', x/1e3) : \
	x < 1e9 ? sprintf('%g M/s', x/1e6) : sprintf('%g G/s', x/1e9)
# Steps of a labelled logarithmic axis between two values: 1 (decades), 3 or 5 (1 2 5 and more).
fine(low, high) = log10(high/low) > 3 ? 1 : log10(high/low) > 1.2 ? 3 : 9
