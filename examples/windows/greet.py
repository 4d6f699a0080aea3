# The first line that a client sends is its name.
import os
import sys

name = sys.stdin.readline().rstrip("\r\n")
print(f"Hello {name}, you come from {os.environ['REMOTE_ADDR']}.")
