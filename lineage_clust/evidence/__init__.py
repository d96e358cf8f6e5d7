"""What is known of trends and clusters: gates, shapes, tables, comparisons."""
