import Dispatch
#if canImport(Glibc)
import Glibc
#endif

/// Time as the drivers see it: a clock on the wall, and a call in some milliseconds. Tests inject their own.
package protocol DriverClock: Sendable {
    /// Since 1970.
    var nowMilliseconds: UInt64 { get }
    /// Runs `action` once, in `milliseconds` from now.
    func schedule(milliseconds: UInt64, _ action: @escaping @Sendable () -> Void)
}

extension DriverClock {
    /// At least so long, or until the task is cancelled.
    package func sleep(milliseconds: UInt64) async {
        let (stream, alarm) = AsyncStream.makeStream(of: Void.self)
        schedule(milliseconds: milliseconds) { alarm.finish() }
        for await _ in stream {}
    }
}

package struct SystemClock: DriverClock {
    package init() {}
    package var nowMilliseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
    package func schedule(milliseconds: UInt64, _ action: @escaping @Sendable () -> Void) {
        DispatchQueue.global(qos: .userInitiated).asyncAfter(
            deadline: .now() + .milliseconds(Int(min(milliseconds, 1 << 40))),
            execute: action)
    }
}
