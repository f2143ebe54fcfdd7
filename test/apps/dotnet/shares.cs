// A program with a known hot path: Parse takes 70 % and Encode 30 % of the CPU
// time, while a second thread only waits. A round is some 50 µs, so that it does not
// fall in step with a sampler's milliseconds. Ends by itself after the seconds given. With PACE in
// its environment it prints the microseconds that each piece of work took.

using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading;

namespace Shop
{
    static class Program
    {
        static ulong sink;

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Parse()
        {
            var state = sink;
            for (ulong i = 0; i < 35000; i++) state = state * 6364136223846793005 + i;
            sink = state;
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Encode()
        {
            var state = sink;
            for (ulong i = 0; i < 15000; i++) state = state * 6364136223846793005 + i;
            sink = state;
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void HandleRequest()
        {
            Parse();
            Encode();
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void WaitForWork()
        {
            Thread.Sleep(Timeout.Infinite);
        }

        static void Main(string[] args)
        {
            var waiter = new Thread(WaitForWork) { IsBackground = true };
            waiter.Start();
            var milliseconds = 1000 * int.Parse(args[0]);
            var watch = Stopwatch.StartNew();
            Console.WriteLine("ready");
            var pace = Environment.GetEnvironmentVariable("PACE") != null;
            while (watch.ElapsedMilliseconds < milliseconds)
            {
                var began = watch.Elapsed;
                for (var round = 0; round < 200; round++) HandleRequest();
                if (pace) Console.WriteLine((watch.Elapsed - began).TotalMilliseconds * 1000);
            }
        }
    }
}
