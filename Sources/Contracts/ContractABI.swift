import Ciphers
import Primitives

/// The face of one contract as the compiler states it: functions, events and what they carry. Calls and events are made and read
/// through it by name, so there is no second copy of a signature that could drift from the contract.
package struct ContractABI: Sendable {
    package struct Parameter: Sendable {
        package let name: String
        package let type: ABI.TypeName
        package let typeText: String
        package let isIndexed: Bool
    }
    package struct Function: Sendable {
        package let name: String
        package let inputs: [Parameter]
        package let outputs: [Parameter]
        package let selector: Bytes
        package let isView: Bool
    }
    package struct Event: Sendable {
        package let name: String
        package let inputs: [Parameter]
        package let topic: Hash32
    }

    /// By name; Vyper's default arguments give several functions of one name, told apart by their count of inputs.
    package private(set) var functions: [String: [Function]] = [:]
    package private(set) var events: [Hash32: Event] = [:]
    /// Custom errors by selector; every fact of ours is one word.
    package private(set) var errors: [Bytes: (name: String, inputs: [Parameter])] = [:]
    package private(set) var constructorInputs: [Parameter] = []

    /// - Parameter json: the `abi` array of an artifact.
    package init(_ json: JSON) throws(ContractABIError) {
        guard let entries = json.asArray else { throw .malformed }
        for entry in entries {
            let inputs = try Self.parameters(entry["inputs"])
            let name = entry["name"]?.asString ?? "", signature = "\(name)(\(inputs.map(\.typeText).joined(separator: ",")))"
            switch entry["type"]?.asString {
            case "constructor": constructorInputs = inputs
            case "error": errors[Bytes(keccak256(Bytes(signature.utf8)).bytes[..<4])] = (name, inputs)
            case "function":
                let function = Function(
                    name: name, inputs: inputs, outputs: try Self.parameters(entry["outputs"]),
                    selector: Bytes(keccak256(Bytes(signature.utf8)).bytes[..<4]),
                    isView: ["view", "pure"].contains(entry["stateMutability"]?.asString))
                functions[name, default: []].append(function)
            case "event":
                let topic = keccak256(Bytes(signature.utf8))
                events[topic] = Event(name: name, inputs: inputs, topic: topic)
            default: continue
            }
        }
    }

    private static func parameters(_ json: JSON?) throws(ContractABIError) -> [Parameter] {
        var parameters: [Parameter] = []
        for entry in json?.asArray ?? [] {
            let text = try typeText(entry)
            do throws(ABIError) {
                parameters.append(
                    Parameter(
                        name: entry["name"]?.asString ?? "", type: try ABI.TypeName(text), typeText: text,
                        isIndexed: entry["indexed"]?.asBool ?? false))
            } catch { throw .type(text) }
        }
        return parameters
    }

    private static func typeText(_ entry: JSON) throws(ContractABIError) -> String {
        guard let type = entry["type"]?.asString else { throw .malformed }
        guard type.hasPrefix("tuple") else { return type }
        var parts: [String] = []
        for component in entry["components"]?.asArray ?? [] { parts.append(try typeText(component)) }
        return "(\(parts.joined(separator: ",")))\(type.dropFirst(5))"
    }
}

package enum ContractABIError: Error, Equatable, Sendable {
    case malformed
    case type(String)
}

// MARK: calls

extension ContractABI {
    /// The function of this name and count of arguments. Asking for one that the contract lacks is a programmer's error, found by
    /// the first test that makes the call.
    package func function(_ name: String, inputs: Int) -> Function {
        guard let function = functions[name]?.first(where: { $0.inputs.count == inputs }) else {
            preconditionFailure("no function \(name) of \(inputs) arguments")
        }
        return function
    }

    package func encodeCall(_ name: String, _ arguments: [ABI.Value]) -> Bytes {
        function(name, inputs: arguments.count).selector + ABI.encode(arguments)
    }

    /// What the function returned, by output; hostile where another node answered.
    package func decodeResult(_ name: String, inputs: Int, _ data: Bytes) throws(ABIError) -> [ABI.Value] {
        try ABI.decode(function(name, inputs: inputs).outputs.map(\.type), data)
    }

    /// The arguments of a call to this contract, and how many bytes of the data they took: what follows is free.
    package func decodeCall(_ name: String, _ data: Bytes) throws(ABIError) -> (arguments: [ABI.Value], rest: Bytes) {
        guard let function = functions[name]?.first(where: { data.starts(with: $0.selector) }) else { throw .truncated(at: 0) }
        let body = Bytes(data.dropFirst(4)), arguments = try ABI.decode(function.inputs.map(\.type), body)
        return (arguments, Bytes(body.dropFirst(ABI.encode(arguments).count)))
    }
}

// MARK: events

/// A log of one of our contracts, with its fields by name.
package struct ContractEvent: Sendable {
    package let name: String
    package let fields: [String: ABI.Value]

    /// A field that the event has by its definition.
    package subscript(_ field: String) -> ABI.Value {
        guard let value = fields[field] else { preconditionFailure("event \(name) has no field \(field)") }
        return value
    }
}

extension ContractABI {
    package func topic(of event: String) -> Hash32 {
        guard let event = events.values.first(where: { $0.name == event }) else { preconditionFailure("no event \(event)") }
        return event.topic
    }

    /// Values wanted of the indexed fields of an event, in the order of its topics behind the first, as far as the last wanted one; nil: any.
    package func topics(of event: String, matching fields: [String: ABI.Value]) -> [Hash32?] {
        let indexed = events[topic(of: event)]?.inputs.filter(\.isIndexed) ?? []
        precondition(fields.keys.allSatisfy { name in indexed.contains { $0.name == name } }, "event \(event) has no such indexed field")
        let topics = indexed.map { parameter in fields[parameter.name].flatMap { Hash32(ABI.encode([$0])) } }
        return topics.lastIndex { $0 != nil }.map { Array(topics[...$0]) } ?? []
    }
    /// Events whose first indexed field has this name.
    package func events(about field: String) -> [String] {
        events.values.filter { $0.inputs.first(where: \.isIndexed)?.name == field }.map(\.name).sorted()
    }

    /// nil: not an event of this contract. Indexed fields of dynamic type appear as the hash that the topic holds.
    package func decode(_ log: Log) throws(ABIError) -> ContractEvent? {
        guard let first = log.topics.first, let event = events[first] else { return nil }
        let indexed = event.inputs.filter(\.isIndexed), plain = event.inputs.filter { !$0.isIndexed }
        guard log.topics.count == indexed.count + 1 else { throw .truncated(at: 0) }
        var fields: [String: ABI.Value] = [:]
        for (parameter, topic) in zip(indexed, log.topics.dropFirst()) { fields[parameter.name] = .bytes32(topic) }
        for (parameter, value) in zip(plain, try ABI.decode(plain.map(\.type), log.data)) { fields[parameter.name] = value }
        return ContractEvent(name: event.name, fields: fields)
    }
}

/// An event and where the chain holds it.
package struct PlacedEvent: Sendable {
    package let event: ContractEvent
    package let block: UInt64
    package let transaction: Hash32
    package let index: UInt64

    package init(event: ContractEvent, block: UInt64, transaction: Hash32, index: UInt64) {
        (self.event, self.block, self.transaction, self.index) = (event, block, transaction, index)
    }
    package var name: String { event.name }
    package subscript(_ field: String) -> ABI.Value { event[field] }
}

/// What a transaction of ours left behind, once final.
package struct Inclusion: Sendable {
    package let transaction: Hash32
    package let block: UInt64
    package let gasUsed: UInt64
    package let events: [PlacedEvent]

    package init(transaction: Hash32, block: UInt64, gasUsed: UInt64, events: [PlacedEvent]) {
        (self.transaction, self.block, self.gasUsed, self.events) = (transaction, block, gasUsed, events)
    }
    /// The first event of this name.
    package func event(_ name: String) -> PlacedEvent? { events.first { $0.name == name } }
}
