/// A cell of a table for people: at least `width` characters; what is longer is not cut.
func wide(_ text: String, _ width: Int) -> String {
    text.count < width ? text + String(repeating: " ", count: width - text.count) : text
}
