"""The figures that the project promises, one file per question: `python -m benchmarks [name …]`.

A machine is noisy and every machine is another, so what is compared is measured in one run, in turn, and only
ratios and orders of magnitude are worth quoting. The best round is what the code costs; the median is what
the machine made of it.
"""
