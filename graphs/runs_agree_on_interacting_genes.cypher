// Subsystems among the best of two runs, for one output of each, with a gene whose protein interacts with at least a score.
// parameters: run, other, output, other_output, most, min_score
// columns: id, name, gene
MATCH (a:Run)-[s:SCORED]->(t:Term), (b:Run)-[o:SCORED]->(t),
  (g:Gene)-[:ANNOTATED_TO]->(t), (g)-[:ENCODES]->(:Protein)-[i:INTERACTS_WITH]-(:Protein)
WHERE a.id = $run AND b.id = $other AND s.output = $output AND o.output = $other_output
  AND s.rank <= $most AND o.rank <= $most AND i.score >= $min_score
RETURN DISTINCT t.id AS id, t.name AS name, g.symbol AS gene
