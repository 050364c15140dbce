"""Showing what was measured: pages, figures for papers, and what the terminal prints.

A page is one self-contained HTML file that asks for nothing, opens from the disk and shows hostile text as text. Python
writes a heading, which is in the file as plain HTML, and named parts of data, compressed; a script made of the ``.js``
files here draws them. Imports model, data, training and probing, none of which imports this package.
"""
