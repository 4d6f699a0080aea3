@echo off
rem A network server as a script of cmd.exe.
set name=
echo What is your name?
set /p name=
rem Never %%name%%: that becomes part of the command line, and whatever follows an & in it would be
rem run. !name! is put in after the line was taken apart. It is off again for the last !.
setlocal EnableDelayedExpansion
<nul set /p "=Hello, !name!"
endlocal
echo !
