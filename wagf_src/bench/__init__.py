"""How fast everything is, against the released way of doing it and against PyTorch, and what every profile costs.

    python -m wagf_src.bench [PART ...] [--quick] [--out FOLDER] [--peers PYTHON]

Every case runs in a process of its own (``worker``), so that memory and compilation are its own; the processes of a
comparison live side by side and take turns, round by round (``turns``), so that what else the machine does meets both.
A ratio is the median over rounds of the reference's seconds per image over the case's: above 1, the case is faster. The
first call (compilation) is reported apart. ``parts`` says what is compared, ``cases`` holds what is timed, ``costs``
counts operations and derives hours. The files are results/bench/*.csv.

The parent process needs no Keras, and the chapter that shows the files none of this.
"""
