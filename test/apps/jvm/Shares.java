// The smallest JVM program with known shares: seven tenths and three tenths of
// its CPU time, of its time, of what it allocates, or of its waiting for locks.
//
//     java Shares SECONDS cpu|wall|alloc|lock
//
// With PACE in its environment it prints the microseconds that ten rounds took.

public class Shares {
    static volatile long sink;
    static volatile Object kept;
    static final Held longLock = new Held(7);
    static final Held shortLock = new Held(3);

    public static void main(String[] args) throws Exception {
        long end = System.nanoTime() + Long.parseLong(args[0]) * 1_000_000_000L;
        String mode = args.length > 1 ? args[1] : "cpu";
        if (mode.equals("lock")) {
            longLock.start();
            shortLock.start();
        }
        // A lambda: what the JVM calls it has a number that is another one in each run.
        Runnable serve = () -> {
            switch (mode) {
                case "wall": sleepLong(); sleepShort(); break;
                case "alloc": for (int i = 0; i < 100; i++) { bytes(); chars(); } pause(1); break;
                case "lock": waitLong(); waitShort(); break;
                default: parse(); encode();
            }
        };
        boolean pace = System.getenv("PACE") != null;
        while (System.nanoTime() < end) {
            long began = System.nanoTime();
            for (int round = 0; round < (pace ? 10 : 1); round++) serve.run();
            if (pace) System.out.println((System.nanoTime() - began) / 1000.0);
        }
    }

    static void parse() { sink += mix(700_000); }
    static void encode() { sink += mixAgain(300_000); }

    // Two of them, so that the JIT does not make one of both callers.
    static long mix(int rounds) {
        long hash = 7;
        for (int i = 0; i < rounds; i++) hash = hash * 31 + (hash >>> 7) + i;
        return hash;
    }
    static long mixAgain(int rounds) {
        long hash = 7;
        for (int i = 0; i < rounds; i++) hash = hash * 31 + (hash >>> 7) + i;
        return hash;
    }

    static void sleepLong() { pause(7); }
    static void sleepShort() { pause(3); }

    static void bytes() { kept = new byte[7000]; }
    static void chars() { kept = new char[1500]; }

    static void waitLong() { longLock.ask(); synchronized (longLock) { sink++; } }
    static void waitShort() { shortLock.ask(); synchronized (shortLock) { sink++; } }

    /** A lock that is held for so many milliseconds from when somebody asked for it. */
    static class Held extends Thread {
        private final long ms;
        private volatile boolean isAsked;

        Held(long ms) {
            this.ms = ms;
            setDaemon(true);
        }

        void ask() {
            isAsked = true;
            while (isAsked) Thread.yield();
        }

        @Override
        public void run() {
            while (true) {
                if (!isAsked) {
                    Thread.yield();
                    continue;
                }
                synchronized (this) {
                    isAsked = false;
                    pause(ms);
                }
            }
        }
    }

    static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            throw new RuntimeException(e);
        }
    }
}
