"""One machine's research in the terminal: what was found, what runs now, how busy the machine is.
Reads only, and disturbs nothing."""
