#!/bin/sh
# A network server as a shell script.
echo "What is your name?"
read -r name
echo "Hello, $name!"
