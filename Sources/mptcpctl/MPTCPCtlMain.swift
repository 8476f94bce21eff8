internal import MPTCPCtlCommands

/// The program.
@main
enum MPTCPCtlMain {
    static func main() { CommandLineTool.run() }
}
