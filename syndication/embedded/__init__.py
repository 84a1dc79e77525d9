"""Everything on one machine under one command: a broker of our own and the processes, watched."""
