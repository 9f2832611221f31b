"""Measures transfers: dokuei beside other programs, over the same emulated line, with the same studies.

`benches/run` prepares everything and starts it; `__main__` says what can be chosen. What is measured goes into a file of
figures (JSON), of which page and plots are made, at once or again later.
"""
