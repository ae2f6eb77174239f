# SPDX-License-Identifier: Apache-2.0
#
# Question: which operations that ought to be independent share a cache line?
# Answer: a cell is the share of a pair's situations with a conflict; white: none, red: all.
# Called with data and picture (file names).
set terminal svg size 1000,900 font "sans,11" background "white"
set output picture
set title "Pairs of operations: share of situations in which they write a common cache line"
set palette defined (0 "white", 0.01 "#fee0d2", 1 "#cb181d")
set cbrange [0:1]
set cblabel "situations with a conflict / situations"
set xtics rotate by 60 right
set xtics nomirror out
set ytics out
unset key
set size ratio 1
set autoscale fix
set datafile missing "NaN"
plot data using 3:4:5:xtic(1):ytic(2) with image pixels
