// Transcription factors and the genes they regulate; sign 1 activates, -1 represses, 0 is not known.
// columns: tf, target, sign, weight, confidence
MATCH (t:Gene)-[r:TARGETS]->(g:Gene)
RETURN t.id AS tf, g.id AS target, r.sign AS sign, r.weight AS weight, r.confidence AS confidence
