"""Showing what was measured: pages, figures for papers, and what the terminal prints.

A page is one self-contained HTML file that asks for nothing, opens from the disk and shows hostile text as text. Python
gives a heading, which stands in the file as it is, and named parts of data, packed; a script out of the ``.js`` files
here draws them. Imports model, data, training and probing, none of which imports this package.
"""
