"""The fixed parts behind prepare.py, one job a file. Experiments never edit them.

tracks.py       names, ids and prepared folders        build.py      makes a prepared folder
pystd.py  stories.py  custom.py  downloads.py  parquet.py            where texts come from
tokenizer.py    text to tokens and back                packing.py    tokens to rows
loader.py       batches of rows, and the clock         anchors.py    what to compare a score with
environment.py  files.py  terminal.py  errors.py                     small things all of them use
"""
