// Subsystems among the best of two runs, for one output of each.
// parameters: run, other, output, other_output, most
// columns: id, name, rank, other_rank
MATCH (a:Run)-[s:SCORED]->(t:Term), (b:Run)-[o:SCORED]->(t)
WHERE a.id = $run AND b.id = $other AND s.output = $output AND o.output = $other_output
  AND s.rank <= $most AND o.rank <= $most
RETURN t.id AS id, t.name AS name, s.rank AS rank, o.rank AS other_rank
