// epoll, level-triggered.

import CLoad
import Glibc

/// `@safe`: the events' union holds a pointer that is never used; the index in its place is written by `watch` alone.
@safe
struct Poller: ~Copyable {
    /// Sockets told of at once; the others follow at the next turn.
    private static let eventsMax = 256

    private let epoll: Int32
    private var events = unsafe [epoll_event](repeating: epoll_event(), count: Poller.eventsMax)

    /// Nil where the system gives none.
    init?() {
        epoll = epoll_create1(O_CLOEXEC)
        guard epoll >= 0 else { return nil }
    }

    deinit { close(epoll) }

    /// Tells when the socket has something to read, and when it has room, if asked. Its events come back with `index`.
    func watch(_ socket: Int32, index: Int, room: Bool, isNew: Bool) {
        let events = EPOLLIN.rawValue | (room ? EPOLLOUT.rawValue : 0)
        let code = load_watch(epoll, socket, UInt32(index), events, isNew ? 1 : 0)
        precondition(code == 0, "A socket of ours is watched once.")
    }

    /// The number of sockets with events, after at most so many nanoseconds.
    mutating func wait(_ nanoseconds: Int64) -> Int {
        max(0, Int(unsafe load_wait(epoll, &events, Int32(Self.eventsMax), nanoseconds)))
    }

    mutating func index(_ place: Int) -> Int { unsafe Int(load_index(&events[place])) }
    func hasRoom(_ place: Int) -> Bool { unsafe events[place].events & EPOLLOUT.rawValue != 0 }
    /// Something to read, an end, or an error, which reading tells.
    func isReadable(_ place: Int) -> Bool { unsafe events[place].events & ~EPOLLOUT.rawValue != 0 }
}
