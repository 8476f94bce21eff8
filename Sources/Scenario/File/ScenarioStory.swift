/// What an experiment of a scenario file is about, in words.
package struct ScenarioStory: Hashable, Sendable {
    /// Lower-case letters, digits and hyphens.
    package var name: String
    package var title: String
    /// What it answers.
    package var question: String
    /// Where the experiment comes from.
    package var source: String?
    /// What was published, beside which the result stands.
    package var published: String?
    /// Names of legs that do not run where the rest does.
    package var leftOut: [String] = []

    package init(
        name: String, title: String, question: String, source: String? = nil,
        published: String? = nil
    ) {
        self.name = name
        self.title = title
        self.question = question
        self.source = source
        self.published = published
    }
}
