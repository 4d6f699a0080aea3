# The first line that a client sends is its name.
$name = [Console]::In.ReadLine()
[Console]::Out.WriteLine("Hello $name, you come from $env:REMOTE_ADDR.")
