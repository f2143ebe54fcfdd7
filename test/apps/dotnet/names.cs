// A program of functions whose names are hard, each hot for a while: overloads,
// generics, nested types, lambdas, letters beyond ASCII, and functions that are
// made at run time and thrown away, so that others get their memory. Ends by
// itself after the seconds given.

using System;
using System.Diagnostics;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

namespace Shop
{
    static class Work
    {
        public static ulong Sink;

        public static void Spin()
        {
            var state = Sink;
            for (ulong i = 0; i < 2000000; i++) state = state * 6364136223846793005 + i;
            Sink = state;
        }
    }

    class Cart<Item>
    {
        public struct Line
        {
            [MethodImpl(MethodImplOptions.NoInlining)]
            public void Total(Item item, ref int[] counts) { Work.Spin(); }
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        public void Add(Item item) { Work.Spin(); }

        [MethodImpl(MethodImplOptions.NoInlining)]
        public void Add(Item item, string note, byte[] raw) { Work.Spin(); }

        [MethodImpl(MethodImplOptions.NoInlining)]
        public Other Convert<Other>(Func<Item, Other> how, Item item) { return how(item); }
    }

    static class Naïve
    {
        [MethodImpl(MethodImplOptions.NoInlining)]
        public static void Größe() { Work.Spin(); }
    }

    static class Program
    {
        delegate ulong Made(ulong seed);

        // while (i < 3000000) { seed = seed * 3 + i; i = i + 1 }, in code that exists only here.
        static Made Make(int number)
        {
            var method = new DynamicMethod("made_" + number, typeof(ulong), new[] { typeof(ulong) }, typeof(Program).Module);
            var il = method.GetILGenerator();
            var again = il.DefineLabel();
            var counter = il.DeclareLocal(typeof(ulong));
            il.MarkLabel(again);
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Ldc_I8, 3L);
            il.Emit(OpCodes.Mul);
            il.Emit(OpCodes.Ldloc, counter);
            il.Emit(OpCodes.Add);
            il.Emit(OpCodes.Starg_S, (byte)0);
            il.Emit(OpCodes.Ldloc, counter);
            il.Emit(OpCodes.Ldc_I8, 1L);
            il.Emit(OpCodes.Add);
            il.Emit(OpCodes.Stloc, counter);
            il.Emit(OpCodes.Ldloc, counter);
            il.Emit(OpCodes.Ldc_I8, 3000000L);
            il.Emit(OpCodes.Blt_Un, again);
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Ret);
            return (Made)method.CreateDelegate(typeof(Made));
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void RunMade(int number)
        {
            var made = Make(number);
            for (var times = 0; times < 10; times++) Work.Sink += made(Work.Sink);
        }

        static void Main(string[] args)
        {
            var milliseconds = 1000 * int.Parse(args[0]);
            var watch = Stopwatch.StartNew();
            var cart = new Cart<string>();
            var counted = new Cart<int>();
            var line = new Cart<string>.Line();
            int[] counts = null;
            Console.WriteLine("ready");
            for (var round = 0; watch.ElapsedMilliseconds < milliseconds; round++)
            {
                cart.Add("a");
                cart.Add("a", "b", null);
                counted.Add(round);
                line.Total("a", ref counts);
                cart.Convert(item => { Work.Spin(); return item.Length; }, "a");
                Naïve.Größe();
                RunMade(round);
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }
    }
}
