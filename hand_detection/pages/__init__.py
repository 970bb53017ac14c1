"""HTML pages that need nothing but themselves: what every report is made of.

charts.py   lines, bars and intervals as SVG
counts.py   upright bars, histograms and maps of counts as SVG
page.py     the document around them, its style, tables and figures
"""
