// The first line that a client sends is its name.
using System;

class Greet
{
    static void Main()
    {
        string name = Console.ReadLine();
        string peer = Environment.GetEnvironmentVariable("REMOTE_ADDR");
        Console.WriteLine("Hello " + name + ", you come from " + peer + ".");
    }
}
