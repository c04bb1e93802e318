// Signals between genes (KEGG) and from transcription factors to their targets: the network from receptors to targets.
// columns: source, target, relation, sign
MATCH (a:Gene)-[s:SIGNALS]->(b:Gene)
RETURN DISTINCT a.id AS source, b.id AS target, s.kind AS relation, s.sign AS sign
UNION
MATCH (t:Gene)-[r:TARGETS]->(g:Gene)
RETURN DISTINCT t.id AS source, g.id AS target, 'targets' AS relation, r.sign AS sign
