import Foundation
import P2P
import Primitives
import Synchronization

/// Keeps every frame handed to TLS and every byte that leaves it, in two files: what the demonstration's canary looks through.
final class FileTap: NetworkTap {
    private let plain: Mutex<FileHandle>
    private let sealed: Mutex<FileHandle>

    init(path: String) throws {
        func open(_ name: String) throws -> FileHandle {
            _ = FileManager.default.createFile(atPath: name, contents: nil)
            guard let handle = FileHandle(forWritingAtPath: name) else { throw DirectoryError.cannotWrite(name, "cannot open") }
            return handle
        }
        plain = Mutex(try open(path + ".frames"))
        sealed = Mutex(try open(path + ".wire"))
    }
    func handedToTLS(_ frame: UnsafeRawBufferPointer, to peer: Address?) { plain.withLock { $0.write(Foundation.Data(frame)) } }
    func leftTLS(_ bytes: UnsafeRawBufferPointer, to remote: String) { sealed.withLock { $0.write(Foundation.Data(bytes)) } }
}
