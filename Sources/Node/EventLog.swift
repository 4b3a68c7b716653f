import Foundation
import Primitives
import Synchronization

/// What a node tells its operator: one JSON object a line, in `node.log`. Never a value of a table, a share or a key.
package final class EventLog: Sendable {
    private let handle: Mutex<FileHandle?>

    package init(path: String) {
        if !FileManager.default.fileExists(atPath: path) { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        let file = FileHandle(forWritingAtPath: path)
        _ = try? file?.seekToEnd()  // a log that cannot be written must not stop a node
        handle = Mutex(file)
    }

    package func write(_ event: String, _ facts: [String: JSON] = [:]) {
        var line = facts
        line["event"] = .string(event)
        line["time"] = .integer(Int64(Date().timeIntervalSince1970 * 1_000))
        let bytes = Foundation.Data(JSON.object(line).canonical + [10])
        handle.withLock { try? $0?.write(contentsOf: bytes) }
    }
}
