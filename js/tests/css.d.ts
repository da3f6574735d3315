/** Style sheets as text, the way Vite gives them. */
declare module "*.css?inline" {
  const text: string;
  export default text;
}
