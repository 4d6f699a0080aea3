@echo off
rem The first line that a client sends is its name.
set name=
set /p name=
rem Never %%name%%: whatever follows an & in it would be run. !name! is put in later.
setlocal EnableDelayedExpansion
echo Hello !name!, you come from %REMOTE_ADDR%.
