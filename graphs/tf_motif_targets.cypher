// Transcription factors with the motifs that their proteins bind and the genes that they regulate.
// parameters: tfs
// columns: tf, motif, motif_name, target, sign
MATCH (t:Gene)-[:ENCODES]->(:Protein)-[:HAS_MOTIF]->(m:Motif), (t)-[r:TARGETS]->(g:Gene)
WHERE t.id IN $tfs
RETURN DISTINCT t.id AS tf, m.id AS motif, m.name AS motif_name, g.id AS target, r.sign AS sign
