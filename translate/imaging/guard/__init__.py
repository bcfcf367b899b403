"""Decoding in processes that can be killed: the reader, the processes, and the program that they run."""
