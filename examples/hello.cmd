@echo off
rem A network server as a script of cmd.exe.
set name=
echo What is your name?
set /p name=
echo Hello, %name%!
