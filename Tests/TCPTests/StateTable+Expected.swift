extension StateTable {
    /// What follows from every segment in every state, as RFC 9293, 3.10.7, RFC 5961 and RFC 1337 want
    /// it. "." is an ACK; "reset" asks the host for an RST.
    static let expected = """
        synSent <- syn: synReceived, S.
        synSent <- syn+ack: established, .
        synSent <- ack: synSent
        synSent <- ack old: synSent, reset
        synSent <- ack future: synSent, reset
        synSent <- data: synSent
        synSent <- data ahead: synSent
        synSent <- data old: synSent
        synSent <- fin: synSent
        synSent <- rst exact: closed (refused)
        synSent <- rst near: closed (refused)
        synSent <- rst far: closed (refused)
        synSent <- no ack: synSent
        synReceived <- syn: synReceived
        synReceived <- syn+ack: established, .
        synReceived <- ack: established
        synReceived <- ack old: synReceived, reset
        synReceived <- ack future: synReceived, reset
        synReceived <- data: established, ., takes 10
        synReceived <- data ahead: established, .
        synReceived <- data old: synReceived
        synReceived <- fin: closeWait, .
        synReceived <- rst exact: closed (reset)
        synReceived <- rst near: synReceived
        synReceived <- rst far: synReceived
        synReceived <- no ack: synReceived
        established <- syn: established, .
        established <- syn+ack: established, .
        established <- ack: established
        established <- ack old: established, .
        established <- ack future: established, .
        established <- data: established, ., takes 10
        established <- data ahead: established, .
        established <- data old: established, .
        established <- fin: closeWait, .
        established <- rst exact: closed (reset)
        established <- rst near: established, .
        established <- rst far: established
        established <- no ack: established
        finWait1 <- syn: finWait1, .
        finWait1 <- syn+ack: finWait1, .
        finWait1 <- ack: finWait2
        finWait1 <- ack old: finWait1, .
        finWait1 <- ack future: finWait1, .
        finWait1 <- data: finWait2, ., takes 10
        finWait1 <- data ahead: finWait2, .
        finWait1 <- data old: finWait1, .
        finWait1 <- fin: timeWait, .
        finWait1 <- rst exact: closed (reset)
        finWait1 <- rst near: finWait1, .
        finWait1 <- rst far: finWait1
        finWait1 <- no ack: finWait1
        finWait2 <- syn: finWait2, .
        finWait2 <- syn+ack: finWait2, .
        finWait2 <- ack: finWait2
        finWait2 <- ack old: finWait2, .
        finWait2 <- ack future: finWait2, .
        finWait2 <- data: finWait2, ., takes 10
        finWait2 <- data ahead: finWait2, .
        finWait2 <- data old: finWait2, .
        finWait2 <- fin: timeWait, .
        finWait2 <- rst exact: closed (reset)
        finWait2 <- rst near: finWait2, .
        finWait2 <- rst far: finWait2
        finWait2 <- no ack: finWait2
        closing <- syn: closing, .
        closing <- syn+ack: closing, .
        closing <- ack: timeWait
        closing <- ack old: closing, .
        closing <- ack future: closing, .
        closing <- data: timeWait, .
        closing <- data ahead: timeWait, .
        closing <- data old: closing, .
        closing <- fin: timeWait, .
        closing <- rst exact: closed (reset)
        closing <- rst near: closing, .
        closing <- rst far: closing
        closing <- no ack: closing
        timeWait <- syn: timeWait, .
        timeWait <- syn+ack: timeWait, .
        timeWait <- ack: timeWait
        timeWait <- ack old: timeWait, .
        timeWait <- ack future: timeWait, .
        timeWait <- data: timeWait, .
        timeWait <- data ahead: timeWait, .
        timeWait <- data old: timeWait, .
        timeWait <- fin: timeWait, .
        timeWait <- rst exact: timeWait
        timeWait <- rst near: timeWait, .
        timeWait <- rst far: timeWait
        timeWait <- no ack: timeWait
        closeWait <- syn: closeWait, .
        closeWait <- syn+ack: closeWait, .
        closeWait <- ack: closeWait
        closeWait <- ack old: closeWait, .
        closeWait <- ack future: closeWait, .
        closeWait <- data: closeWait, .
        closeWait <- data ahead: closeWait, .
        closeWait <- data old: closeWait, .
        closeWait <- fin: closeWait, .
        closeWait <- rst exact: closed (reset)
        closeWait <- rst near: closeWait, .
        closeWait <- rst far: closeWait
        closeWait <- no ack: closeWait
        lastACK <- syn: lastACK, .
        lastACK <- syn+ack: lastACK, .
        lastACK <- ack: closed (finished)
        lastACK <- ack old: lastACK, .
        lastACK <- ack future: lastACK, .
        lastACK <- data: closed (finished)
        lastACK <- data ahead: closed (finished)
        lastACK <- data old: lastACK, .
        lastACK <- fin: closed (finished)
        lastACK <- rst exact: closed (reset)
        lastACK <- rst near: lastACK, .
        lastACK <- rst far: lastACK
        lastACK <- no ack: lastACK
        closed <- syn: closed, reset
        closed <- syn+ack: closed, reset
        closed <- ack: closed, reset
        closed <- ack old: closed, reset
        closed <- ack future: closed, reset
        closed <- data: closed, reset
        closed <- data ahead: closed, reset
        closed <- data old: closed, reset
        closed <- fin: closed, reset
        closed <- rst exact: closed
        closed <- rst near: closed
        closed <- rst far: closed
        closed <- no ack: closed, reset
        """
}
